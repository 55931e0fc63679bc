import type { ControlChannel } from '../native/control.js';
import type { ExitStatus } from './records.js';

/** A container whose monitor this process started. */
export interface Monitored {
  /** The monitor's process id: our child until it is reaped. */
  monitor: number;
  channel: ControlChannel;
  /** Settles when everything is done: output delivered, state saved, an auto-removed container gone. */
  ended: Promise<ExitStatus>;
}
