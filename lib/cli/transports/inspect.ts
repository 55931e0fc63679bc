import { CommandError } from '../errors.js';
import { flag, type Flag } from '../flags.js';
import { formatObject } from '../format.js';
import { goValues } from '../go-values.js';
import { json } from '../template.js';
import type { Session } from '../verb.js';
import { storeFor } from './copy-options.js';
import {
  endFlags,
  endOf,
  imageGlobalFlags,
  jobOptions,
  overridden,
  retryFlags,
  type ImageGlobalGiven,
} from './flags.js';

/** skopeo's flags of `inspect`, as they were given. */
export interface RemoteGiven extends ImageGlobalGiven {
  config?: boolean;
  format?: string;
  /** `--no-tags` */
  tags?: boolean;
  raw?: boolean;
}

/** skopeo's flags of `inspect`, beside `--format`. */
export function remoteFlags(): Flag[] {
  return [
    flag('--config', 'output configuration'),
    flag('-n, --no-tags', 'Do not list the available tags from the repository in the output'),
    flag('--raw', 'output raw manifest or configuration'),
    ...endFlags('', true, true),
    ...retryFlags(),
    ...imageGlobalFlags(),
  ];
}

/** Whether a flag of {@link remoteFlags} was given: it says nothing about an object of the store. */
export function remoteFlagGiven(flags: object): string | undefined {
  const given = flags as Readonly<Record<string, unknown>>;
  const keys = remoteFlags().map((option) => [option.attributeName(), option.display] as const);
  return keys.find(
    ([key]) => key !== 'debug' && given[key] !== undefined && !(key === 'tags' && given[key] === true),
  )?.[1];
}

/** `vaina inspect TRANSPORT:NAME`, as skopeo has it. */
export async function inspectRemote(session: Session, name: string, given: RemoteGiven): Promise<number> {
  const { format, raw = false, config = false, tags = true } = given;
  if (raw && format !== undefined) throw new CommandError('raw output does not support format option');
  const options = {
    ...endOf('', given),
    ...jobOptions(given),
    ...overridden(given),
    ...(await storeFor(session, [name])),
    tags,
    onWarning: session.warn,
  };
  const { transports } = session.jobs;
  if (raw) {
    session.out(
      await session.abortable((signal) => transports.inspectImage(name, { ...options, signal, raw, config })),
    );
    return 0;
  }
  const told = await session.abortable<object>((signal) =>
    config
      ? transports.inspectImage(name, { ...options, signal, config: true })
      : transports.inspectImage(name, { ...options, signal }),
  );
  // A name that is empty is left out, as at skopeo.
  const shown = Object.fromEntries(
    Object.entries(told).filter(([key, value]) => key !== 'Name' || value !== ''),
  );
  if (format === undefined) session.print(json(shown, 4));
  else session.out(formatObject('inspect', format, goValues(config ? capitals(told) : told)));
  return 0;
}

/** Templates know the members of a configuration by the names of its Go fields. */
function capitals(config: object): Record<string, unknown> {
  const names: Record<string, string> = {
    os: 'OS',
    rootfs: 'RootFS',
    'os.version': 'OSVersion',
    'os.features': 'OSFeatures',
  };
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      names[key] ?? key.slice(0, 1).toUpperCase() + key.slice(1),
      value as unknown,
    ]),
  );
}
