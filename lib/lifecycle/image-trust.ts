import { VainaError } from '../errors.js';
import type { Policy } from '../signature/policy.js';
import type { TrustOptions } from '../transports/trust.js';
import type { Context } from './context.js';

/** Which images are let into a store. */
export interface ImageTrust {
  /**
   * The trust policy (containers-policy.json(5)): a path, or the policy itself. Default: the engine's, else the user's, else the
   * host's; where there is none, every image passes.
   */
  trustPolicy?: string | Policy;
  /** Let every image pass, whatever the policy of the host. Not with `trustPolicy`. Default: the engine's, else false. */
  insecurePolicy?: boolean;
  /**
   * Directory that says where signatures are kept beside registries (containers-registries.d(5)). Default: the engine's, else the
   * user's, else the host's.
   */
  registriesDir?: string;
}

/**
 * What is trusted in a call: what it says itself, else what the engine was opened with.
 *
 * @throws VainaError `ERR_INVALID_OPTION` for both a policy and none
 */
export function trustFor(
  context: Pick<Context, 'trust'>,
  own: ImageTrust,
): Pick<TrustOptions, 'policy' | 'insecurePolicy' | 'registriesDir'> {
  const said = own.trustPolicy !== undefined || own.insecurePolicy !== undefined;
  const { trustPolicy, insecurePolicy } = said ? own : context.trust;
  const registriesDir = own.registriesDir ?? context.trust.registriesDir;
  if (trustPolicy !== undefined && insecurePolicy === true) {
    throw new VainaError('ERR_INVALID_OPTION', 'cannot use both trustPolicy and insecurePolicy');
  }
  return {
    ...(trustPolicy !== undefined && { policy: trustPolicy }),
    ...(insecurePolicy !== undefined && { insecurePolicy }),
    ...(registriesDir !== undefined && { registriesDir }),
  };
}
