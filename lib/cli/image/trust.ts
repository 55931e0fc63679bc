import { atMost, oneArgument } from '../arguments.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import { table } from '../table.js';
import { json } from '../template.js';
import { verb } from '../verb.js';
import type { SetTrustOptions, TrustRow } from '../../signature/index.js';

interface ShowGiven {
  json?: boolean;
  noheading?: boolean;
  policypath?: string;
  raw?: boolean;
  registrypath?: string;
}

interface SetGiven {
  policypath?: string;
  pubkeysfile?: string[];
  type?: string;
}

const policyFlag = () => flag('--policypath <string>', 'Path to a trust policy file', 'string');
/** podman's words for what a policy asks. */
const TYPES: Readonly<Record<string, string>> = { insecureAcceptAnything: 'accept', signedBy: 'signed' };
const CHOICES: Readonly<Record<string, NonNullable<SetTrustOptions['type']>>> = {
  accept: 'accept',
  insecureAcceptAnything: 'accept',
  reject: 'reject',
  signedBy: 'signedBy',
  sigstoreSigned: 'sigstoreSigned',
};

/** `vaina image trust show` */
export const show = verb<ShowGiven>({
  usage: '[REGISTRY]',
  flags: [
    flag('-j, --json', 'Output as json'),
    flag('-n, --noheading', 'Do not print column headings'),
    policyFlag(),
    flag('--raw', 'Output raw policy file'),
    flag(
      '--registrypath <string>',
      'Directory that says where the signatures of registries are kept',
      'string',
    ),
  ],
  async run(session, args, given) {
    // As at podman, all is shown, whatever registry is named.
    atMost(args, 1);
    const { policypath, registrypath } = given;
    const { text, rows } = await session.jobs.signatures.showTrust({
      ...(policypath !== undefined && { policyPath: policypath }),
      ...(registrypath !== undefined && { registriesDir: registrypath }),
      onWarning: session.warn,
    });
    if (given.raw) session.print(text);
    else if (given.json) session.print(json(rows.map(fieldsOf), 2));
    else {
      const lines = rows
        .map(fieldsOf)
        .map((row) => [row.transport, row.repo_name ?? '', row.type, row.gpg_id ?? '', row.sigstore ?? '']);
      const headings = given.noheading ? [] : [['TRANSPORT', 'NAME', 'TYPE', 'ID', 'STORE']];
      session.out(table([...headings, ...lines]));
    }
    return 0;
  },
});

/** `vaina image trust set` */
export const set = verb<SetGiven>({
  usage: 'REGISTRY',
  flags: [
    policyFlag(),
    flag(
      '-f, --pubkeysfile <strings>',
      'Path of installed public key(s) to trust for TARGET. The absolute path is added to the policy; the files must exist',
      'slice',
    ),
    flag(
      '-t, --type <string>',
      'Trust type, accept values: signedBy(default), accept, reject, sigstoreSigned (default "signedBy")',
      'string',
    ),
  ],
  async run(session, args, { policypath, pubkeysfile, type: word = 'signedBy' }) {
    const scope = oneArgument(args);
    const [host = ''] = scope.split(/[/?#]/);
    if (!/^[a-zA-Z0-9-_.]+:?[0-9]*[a-z0-9-:]*$/.test(host))
      throw new CommandError(`invalid image uri: ${scope}`);
    const type = Object.hasOwn(CHOICES, word) ? CHOICES[word] : undefined;
    if (type === undefined) {
      const choices = "'accept', 'reject', 'signedBy', 'sigstoreSigned'";
      throw new CommandError(`invalid choice: ${word} (choose from ${choices})`);
    }
    await session.jobs.signatures.setTrust(scope, {
      type,
      ...(pubkeysfile && { publicKeyFiles: pubkeysfile }),
      ...(policypath !== undefined && { policyPath: policypath }),
    });
    return 0;
  },
});

/** The members of podman's JSON; those that are empty are left out there. */
interface Fields {
  transport: string;
  name?: string;
  repo_name?: string;
  sigstore?: string;
  type: string;
  gpg_id?: string;
}

function fieldsOf({ transport, scope, type, keyIds, lookaside }: TrustRow): Fields {
  const name = transport === undefined ? '* (default)' : scope;
  const repository = transport === undefined ? 'default' : scope;
  const ids = type === 'sigstoreSigned' ? 'N/A' : keyIds.join(', ');
  return {
    transport: transport === undefined ? 'all' : transport === 'docker' ? 'repository' : transport,
    ...(name !== '' && { name }),
    ...(repository !== '' && { repo_name: repository }),
    ...(lookaside !== undefined && { sigstore: lookaside }),
    type: TYPES[type] ?? type,
    ...(ids !== '' && { gpg_id: ids }),
  };
}
