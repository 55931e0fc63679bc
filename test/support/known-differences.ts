import { CORPUS_NAMES, type CorpusName } from './image-corpus.js';
import type { Sameness, TransportName } from './peer-copies.js';

/** Who writes, and who reads. */
export type Direction = 'ours, read by skopeo' | "skopeo's, read by us" | 'ours, read by us';

/** A copy that is not byte for byte the image of the corpus, or is refused, and why. */
export interface Difference {
  images: readonly CorpusName[];
  transports: readonly TransportName[];
  direction?: Direction;
  /** How much is the same; or what the error says. */
  is: Exclude<Sameness, 'bytes'> | RegExp;
  reason: string;
}

const INDEXES = ['docker-list', 'four-platforms', 'nested'] as const;
const DOCKER = ['docker', 'docker-list'] as const;
const ZSTD = ['zstd', 'mixed'] as const;

/** The first that applies counts. */
export const DIFFERENCES: readonly Difference[] = [
  {
    images: ['artifact'],
    transports: ['docker-archive', 'vaina'],
    is: /artifact/,
    reason: 'these hold container images',
  },
  {
    images: ['nested'],
    transports: ['oci', 'oci-archive', 'dir', 'docker'],
    direction: 'ours, read by skopeo',
    is: /Unexpectedly received a manifest list/,
    reason: 'skopeo reads no index in an index',
  },
  {
    images: ['nested'],
    transports: ['oci', 'oci-archive', 'dir', 'docker', 'vaina'],
    direction: "skopeo's, read by us",
    is: /Unexpectedly received a manifest list/,
    reason: 'skopeo reads no index in an index',
  },
  {
    images: ZSTD,
    transports: ['docker-archive'],
    direction: "skopeo's, read by us",
    is: /zstd compression is not supported for docker images/,
    reason: 'skopeo looks at the compression before it decompresses',
  },
  {
    images: ['uncompressed'],
    transports: ['docker-archive'],
    direction: 'ours, read by skopeo',
    is: 'blobs',
    reason: "such an archive has no manifest, and skopeo makes one up in Docker's format",
  },
  {
    images: CORPUS_NAMES.filter((name) => name !== 'uncompressed'),
    transports: ['docker-archive'],
    is: 'config',
    reason: 'layers are uncompressed in such an archive, and it has no manifest',
  },
  {
    images: INDEXES,
    transports: ['vaina'],
    is: 'blobs',
    reason: 'our store takes the image for this host, and keeps the index only beside it',
  },
  {
    images: ['docker'],
    transports: ['vaina'],
    direction: 'ours, read by skopeo',
    is: 'blobs',
    reason: "the layout of our store gives a Docker image another manifest in OCI's format",
  },
  {
    images: DOCKER,
    transports: ['oci', 'oci-archive'],
    direction: "skopeo's, read by us",
    is: 'layers',
    reason: 'a layout has OCI manifests only, and skopeo writes the configuration anew as well',
  },
  {
    images: DOCKER,
    transports: ['oci', 'oci-archive'],
    is: 'blobs',
    reason: 'a layout has OCI manifests only',
  },
];

/** Lines of a comparison of trees, ours on the left, that are no fault of ours. */
export interface TreeDifference {
  images: readonly CorpusName[];
  peer: 'podman' | 'umoci';
  line: RegExp;
  reason: string;
}

export const TREE_DIFFERENCES: readonly TreeDifference[] = [
  {
    images: ['many-names'],
    peer: 'umoci',
    line: /^differs: +\S+n-(\d+|first)\n +left +100644 (.*)\n +right 100755 \2$/,
    reason:
      'the header of a hard link has a mode too; the last one counts for podman and us, the first for umoci',
  },
];

/** What a peer cannot read at all. */
export const UNREADABLE: readonly TreeDifference[] = [
  {
    images: ZSTD,
    peer: 'umoci',
    line: /blob is not correct mediatype: application\/vnd.oci.image.layer.v1.tar\+zstd/,
    reason: 'umoci 0.4 knows no zstd',
  },
];

/** What is known of a copy of an image. */
export function differenceOf(
  image: string,
  transport: TransportName,
  direction: Direction,
): Difference | undefined {
  return DIFFERENCES.find(
    (one) =>
      one.images.includes(image as CorpusName) &&
      one.transports.includes(transport) &&
      (one.direction ?? direction) === direction,
  );
}

/** How podman gives an image out. */
export const PODMAN_WRITES = ['oci-archive', 'oci-dir', 'docker-archive', 'docker-dir', 'push'] as const;

/** What podman gives out again is the same but for how it is compressed, except for these. */
export const PODMAN_DIFFERENCES: readonly {
  images: readonly CorpusName[];
  how: readonly (typeof PODMAN_WRITES)[number][];
  is: Sameness | RegExp;
  reason: string;
}[] = [
  {
    images: ZSTD,
    how: ['docker-archive', 'docker-dir'],
    is: /zstd compression is not supported for docker images/,
    reason: 'podman 4 looks at the compression before it decompresses',
  },
  {
    images: ['odd', 'sparse'],
    how: PODMAN_WRITES,
    is: /Digest did not match|archive\/tar: write too long/,
    reason: 'podman cannot put the archive of a sparse file together again',
  },
  {
    images: ['uncompressed'],
    how: ['docker-archive'],
    is: 'bytes',
    reason: 'nothing is compressed in either, and the manifest that we make is as the first one was',
  },
  {
    images: ['uncompressed'],
    how: ['docker-dir'],
    is: 'blobs',
    reason: "nothing is compressed in either, but the manifest is in Docker's format",
  },
];
