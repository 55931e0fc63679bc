import type { Readable } from 'node:stream';
import type { Reference } from './reference.js';

/** A digest such as `sha256:…`, known to be well-formed: only `parseDigest` makes one. */
export type Digest = string & {
  /** Only for the compiler. */
  readonly __digest: unique symbol;
};

/** A platform as in the OCI image index. */
export interface Platform {
  /** Operating system, by Go's name. */
  os: string;
  /** Processor, by Go's name, e.g. `amd64`. */
  architecture: string;
  /** Variant of the processor, e.g. `v8`. */
  variant?: string;
  /** Version of the operating system; for Windows. */
  'os.version'?: string;
  /** What the operating system must be able to do; for Windows. */
  'os.features'?: string[];
  /** What the processor must be able to do, as lists in Docker's format say it; reserved in OCI's. */
  features?: string[];
}

/** A content descriptor (OCI image-spec, descriptor.md). Unknown members are kept. */
export interface Descriptor {
  /** Type of the content. */
  mediaType: string;
  /** Digest of the content. */
  digest: Digest;
  /** Bytes of the content. */
  size: number;
  /** Other places of the content. */
  urls?: string[];
  /** Free words about the content. */
  annotations?: Record<string, string>;
  /** The content itself in base64, where it is small. */
  data?: string;
  /** What the content is, where it is an artifact. */
  artifactType?: string;
  /** What the content runs on, in an index. */
  platform?: Platform;
}

/** An OCI image manifest or a Docker v2 schema 2 manifest. */
export interface Manifest {
  /** Always 2. */
  schemaVersion: 2;
  /** The type of this document. */
  mediaType?: string;
  /** What it is, where it is no container image. */
  artifactType?: string;
  /** The configuration. */
  config: Descriptor;
  /** The layers, lowest first. */
  layers: Descriptor[];
  /** What this refers to, e.g. the image that it is a signature of. */
  subject?: Descriptor;
  /** Free words about it. */
  annotations?: Record<string, string>;
}

/** An OCI image index or a Docker manifest list. */
export interface Index {
  /** Always 2. */
  schemaVersion: 2;
  /** The type of this document. */
  mediaType?: string;
  /** What it is, where it is no container image. */
  artifactType?: string;
  /** What it lists, the preferred one first. */
  manifests: Descriptor[];
  /** What this refers to. */
  subject?: Descriptor;
  /** Free words about it. */
  annotations?: Record<string, string>;
}

/** The `config` member of an image configuration (OCI image-spec, config.md): how containers of the image run. */
export interface ImageRuntimeConfig {
  /** `name`, `uid`, `name:group` or `uid:gid`; root where it is absent or empty. */
  User?: string;
  /** Ports that the program listens on, as in `80/tcp`; for information. */
  ExposedPorts?: Record<string, object>;
  /** Environment variables, each `NAME=value`. */
  Env?: string[];
  /** Beginning of the command line, which `Cmd` or a command of the container's own follows. */
  Entrypoint?: string[] | null;
  /** The rest of the command line, unless the container has a command of its own. */
  Cmd?: string[] | null;
  /** Directories that the image means for volumes. */
  Volumes?: Record<string, object> | null;
  /** Working directory; `/` where it is absent or empty. */
  WorkingDir?: string;
  /** Labels, which containers inherit. */
  Labels?: Record<string, string> | null;
  /** Signal that `stop` sends, by name or number; SIGTERM where it is absent. */
  StopSignal?: string;
  /** Docker's health check; the engine runs none. */
  Healthcheck?: object;
  /** Docker's shell for commands that a build is given as text. */
  Shell?: string[];
  /** Docker's instructions for builds on top of the image. */
  OnBuild?: string[] | null;
}

/** One entry of an image's history (OCI image-spec, config.md). */
export interface HistoryEntry {
  /** When the layer was made, RFC 3339. */
  created?: string;
  /** The command that made it. */
  created_by?: string;
  /** Who made it. */
  author?: string;
  /** A remark of who made it. */
  comment?: string;
  /** Whether the entry stands for no layer: it changed only the configuration. Default false. */
  empty_layer?: boolean;
}

/** An image configuration (OCI image-spec, config.md). */
export interface ImageConfig extends Platform {
  /** When it was made, RFC 3339. */
  created?: string;
  /** Who made it. */
  author?: string;
  /** How containers of it run. */
  config?: ImageRuntimeConfig;
  /** The digests of its layers, not compressed, lowest first. */
  rootfs: {
    /** Always `layers`. */
    type: 'layers';
    /** One for each layer. */
    diff_ids: Digest[];
  };
  /** How it came to be. */
  history?: HistoryEntry[];
}

/** A manifest or index as its exact bytes. */
export interface RawManifest {
  /** The document, to the byte. */
  bytes: Buffer;
  /** Its type; empty where that is not known. */
  mediaType: string;
  /** Its digest. */
  digest: Digest;
}

/** What moves during a transfer. */
export interface ProgressEvent {
  /** What is being done to it. */
  phase: 'download' | 'unpack' | 'done' | 'exists';
  /** The digest of the blob. */
  id: string;
  /** Bytes so far. */
  current: number;
  /** Bytes in all. */
  total: number;
}

/** Options that every transfer takes. */
export interface TransferOptions {
  /** Aborting stops the work and undoes half-made state. */
  signal?: AbortSignal;
  /** Called for each progress event; at most some ten times a second for one blob. */
  onProgress?: (event: ProgressEvent) => void;
}

/** A signature of a manifest, as it travels with the image. */
export type Signature =
  | {
      /** Simple signing: an OpenPGP message around a JSON document (containers-signature(5)). */
      kind: 'simple';
      /** The message. */
      bytes: Buffer;
    }
  | {
      /** Sigstore: a payload, and annotations that hold the signature of it (cosign's SIGNATURE_SPEC). */
      kind: 'sigstore';
      /** The type of the payload. */
      mediaType: string;
      /** What is signed. */
      payload: Buffer;
      /** The signature, and what goes with it. */
      annotations: Readonly<Record<string, string>>;
    };

/** Where images are read from: a registry, an archive, a layout, a directory. */
export interface ImageSource {
  /** For messages, e.g. `docker://host/name:tag`. */
  readonly name: string;
  /** The name that the place itself knows the image by; what policies and signatures speak of. */
  readonly reference?: Reference;
  /**
   * The manifest or index that the source names; with a digest, that one. The bytes are verified by the caller. The
   * media type is what the source says they are, empty when it does not know.
   */
  manifest(digest?: Digest, options?: TransferOptions): Promise<RawManifest>;
  /** A blob as raw bytes, verified by the caller. */
  blob(descriptor: Descriptor, options?: TransferOptions): Promise<Readable>;
  /** The signatures of a manifest, not verified. Absent where the place can hold none. */
  signatures?(digest: Digest, options?: TransferOptions): Promise<readonly Signature[]>;
  /** All tags of the repository that the image is in. Absent where there are no repositories. */
  tags?(options?: TransferOptions): Promise<string[]>;
  /** Releases what the source holds. */
  close(): Promise<void>;
}

/** What a sink can hold. What is left out, it takes as it comes. */
export interface SinkTakes {
  /** Media types of manifests, the preferred one first. */
  manifests?: readonly string[];
  /** How layers may be compressed, the preferred way first. */
  layers?: readonly LayerCompression[];
  /** Whether it can hold an index with all that is below it. Default true. */
  indexes?: boolean;
  /** Whether it keeps {@link CommittedImage.signatures}. Default false. */
  signatures?: boolean;
  /**
   * Whether it can hold what is not an image of a root file system: artifacts, and layers of unknown media types.
   * Default true.
   */
  artifacts?: boolean;
  /** Whether it can hold an image that names a layer by its URLs only, without the layer's bytes. Default false. */
  foreignLayers?: boolean;
  /** How it wants layers that come uncompressed to be compressed, unless digests must stay. Default: not at all. */
  compress?: 'gzip' | 'zstd';
  /** Whether it takes one blob at a time, as a stream must. Default false. */
  serial?: boolean;
  /**
   * Whether {@link ImageSink.putBlob} holds digest and size against the bytes itself. Then `copy` does not hash them a
   * second time. Default false: `copy` does it, and the stream that the sink reads fails before its end.
   */
  verifies?: boolean;
}

/** Where images are written to. Nothing is visible before {@link ImageSink.commit}. */
export interface ImageSink {
  /** For messages. */
  readonly name: string;
  /** What it can hold; all as it comes where this is absent. */
  readonly takes?: SinkTakes;
  /** Whether the content is there already, so that {@link ImageSink.putBlob} is not called for it. */
  hasBlob(descriptor: Descriptor, about: BlobRole, options?: TransferOptions): Promise<boolean>;
  /**
   * Takes a layer or config as raw bytes and verifies digest and size as they pass. A layer comes with its diffID and
   * its place, so that a sink which unpacks can do so while it arrives.
   */
  putBlob(
    descriptor: Descriptor,
    content: Readable,
    about: BlobRole,
    options?: TransferOptions,
  ): Promise<void>;
  /** Makes the image visible, all at once. */
  commit(image: CommittedImage, options?: TransferOptions): Promise<void>;
  /** Undoes what was put but not committed. Idempotent; also releases the sink. */
  close(): Promise<void>;
}

/** How a layer is compressed, as its media type says it. */
export type LayerCompression = 'none' | 'gzip' | 'zstd';

/** What a blob is in its image. `data` is one that is no layer of a file system: an artifact's. */
export type BlobRole =
  | {
      /** The configuration. */
      kind: 'config';
    }
  | {
      /** A layer. */
      kind: 'layer';
      /** Its place, the lowest being 0. */
      index: number;
      /** Its digest without compression. */
      diffId: Digest;
      /** The diffIDs of those below it, lowest first. */
      parents: readonly Digest[];
    }
  | {
      /** Something else. */
      kind: 'data';
    };

/** What becomes visible at once: an image, or an index with all that was copied of it. All blobs have been put. */
export interface CommittedImage {
  /** What the name stands for: an index, or the one manifest. */
  top: RawManifest;
  /** The manifests, each once: one, or those of the index that were copied. */
  manifests: readonly CommittedManifest[];
  /** Indexes below {@link CommittedImage.top}, each once. */
  indexes: readonly RawManifest[];
  /** The index that led to the manifest, where only one image of it was copied. */
  origin?: RawManifest;
  /** By digest of the manifest or index that is signed. */
  signatures: ReadonlyMap<Digest, readonly Signature[]>;
}

/** A manifest whose blobs have been put. */
export interface CommittedManifest {
  /** The manifest to the byte. */
  raw: RawManifest;
  /** The same, read. */
  manifest: Manifest;
  /** The configuration of a container image; absent for an artifact. */
  config?: {
    /** As the manifest names it. */
    descriptor: Descriptor;
    /** To the byte. */
    bytes: Buffer;
    /** The same, read. */
    parsed: ImageConfig;
  };
}
