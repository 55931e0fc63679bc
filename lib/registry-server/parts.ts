import type { Store } from '../store/store.js';
import type { ImageView } from './image-view.js';
import type { ServerSettings } from './options.js';
import type { Sweeper } from './sweeper.js';
import type { Uploads } from './uploads.js';
import type { Upstream } from './upstream.js';

/** What the parts of a registry need of each other. */
export interface ServerParts {
  readonly store: Store;
  readonly settings: ServerSettings;
  readonly uploads: Uploads;
  readonly sweeper: Sweeper;
  /** With the option `images`. */
  readonly view: ImageView | undefined;
  /** With the option `upstream`. */
  readonly upstream: Upstream | undefined;
  /** Reports a failure of the server's own. */
  readonly onError: (error: unknown) => void;
}
