import { giveBlob, deleteBlob } from './blobs.js';
import type { Exchange } from './exchange.js';
import { listReferrers, listRepositories, listTags } from './lists.js';
import { deleteManifest, giveManifest, takeManifest } from './manifests.js';
import { isRepositoryName } from './names.js';
import type { RegistryAccess, RegistryAction } from './options.js';
import type { ServerParts } from './parts.js';
import { appendChunk, beginUpload, cancelUpload, finishUpload, showUpload } from './push.js';
import { Refusal } from './refusal.js';
import type { Route } from './router.js';

type Work = () => void | Promise<void>;
type Verbs = Readonly<Record<string, readonly [RegistryAction, Work]>>;

/**
 * Does what a request asks for, if it may.
 *
 * @param demand - asks whether it may; throws a {@link Refusal}
 */
export async function dispatch(
  parts: ServerParts,
  exchange: Exchange,
  target: Route,
  demand: (access: RegistryAccess) => Promise<void>,
): Promise<void> {
  const repository = 'repository' in target ? target.repository : undefined;
  if (repository !== undefined && !isRepositoryName(repository)) {
    throw new Refusal('NAME_INVALID', 'invalid repository name', {
      detail: { name: repository.slice(0, 256) },
    });
  }
  const verbs = verbsOf(parts, exchange, target);
  const method = exchange.request.method ?? '';
  const verb = Object.hasOwn(verbs, method) ? verbs[method] : undefined;
  const allow = Object.keys(verbs).join(', ');
  if (!verb) throw unsupported(`there is no ${method.slice(0, 20)} here`, allow);
  const [action, work] = verb;
  await demand({ action, ...(repository === undefined ? {} : { repository }) });
  const { readOnly, delete: mayDelete } = parts.settings;
  if (action === 'push' && readOnly) throw unsupported('the registry is read-only', 'GET, HEAD');
  if (action === 'delete' && !mayDelete) throw unsupported('nothing is deleted here', 'GET, HEAD');
  // A web page may send such requests to any host that its reader reaches. Clients of registries are no pages.
  if ((action === 'push' || action === 'delete') && exchange.header('origin') !== undefined) {
    throw new Refusal('DENIED', 'web pages may only read');
  }
  await work();
}

function verbsOf(parts: ServerParts, exchange: Exchange, target: Route): Verbs {
  switch (target.kind) {
    case 'ping':
      return reading('ping', () => exchange.json(200, {}));
    case 'catalog':
      return reading('catalog', () => listRepositories(parts, exchange));
    case 'tags':
      return reading('pull', () => listTags(parts, exchange, target.repository));
    case 'referrers':
      return reading('pull', () => listReferrers(parts, exchange, target.repository, target.reference));
    case 'manifest': {
      const { repository, reference } = target;
      return {
        ...reading('pull', () => giveManifest(parts, exchange, repository, reference)),
        PUT: ['push', () => takeManifest(parts, exchange, repository, reference)],
        DELETE: ['delete', () => deleteManifest(parts, exchange, repository, reference)],
      };
    }
    case 'blob': {
      const { repository, reference } = target;
      return {
        ...reading('pull', () => giveBlob(parts, exchange, repository, reference)),
        DELETE: ['delete', () => deleteBlob(parts, exchange, repository, reference)],
      };
    }
    case 'uploads':
      return { POST: ['push', () => beginUpload(parts, exchange, target.repository)] };
    case 'upload': {
      const { repository, reference } = target;
      return {
        ...reading('push', () => showUpload(parts, exchange, repository, reference)),
        PATCH: ['push', () => appendChunk(parts, exchange, repository, reference)],
        PUT: ['push', () => finishUpload(parts, exchange, repository, reference)],
        DELETE: ['push', () => cancelUpload(parts, exchange, repository, reference)],
      };
    }
  }
}

function reading(action: RegistryAction, work: Work): Verbs {
  return { GET: [action, work], HEAD: [action, work] };
}

function unsupported(message: string, allow: string): Refusal {
  return new Refusal('UNSUPPORTED', message, { headers: { Allow: allow } });
}
