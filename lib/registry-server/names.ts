/** Longest repository name that clients can use: most count the registry's host among these 255. */
const MAX_NAME = 255;
// Linear: after every character there is one way to go on.
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Whether this is a repository name by the grammar of distribution-spec 1.1, "Pulling manifests". */
export function isRepositoryName(name: string): boolean {
  return name.length <= MAX_NAME && name.split('/').every((component) => COMPONENT.test(component));
}

/** Whether this is a tag by the same grammar. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}
