export { RegistryServer, type ListeningRegistry } from './server.js';
export type {
  RegistryAccess,
  RegistryAction,
  RegistryAuthorize,
  RegistryChallenge,
  RegistryListenOptions,
  RegistryServerOptions,
  RegistryUpstream,
} from './options.js';
