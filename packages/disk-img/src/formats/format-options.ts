/**
 * The options with which qemu-img creates and amends images: names, types, help and defaults of each
 * format, in the order in which it prints them.
 */

export interface FormatOption {
  readonly name: string;
  readonly type: 'text' | 'size' | 'number' | 'flag';
  readonly help: string;
  /** As it is printed; undefined where an option that was not given is not printed. */
  readonly byDefault?: string;
}

const SIZE: FormatOption = { name: 'size', type: 'size', help: 'Virtual disk size' };

/** What files take, whatever is in them. */
export const FILE_OPTIONS: readonly FormatOption[] = [
  { name: 'nocow', type: 'flag', help: 'Turn off copy-on-write (valid only on btrfs)' },
  {
    name: 'preallocation',
    type: 'text',
    help: 'Preallocation mode (allowed values: off, falloc, full)',
  },
  {
    name: 'extent_size_hint',
    type: 'size',
    help: 'Extent size hint for the image file, 0 to disable',
  },
];

export const CREATE_OPTIONS: Readonly<Record<string, readonly FormatOption[]>> = {
  qcow2: [
    {
      name: 'encryption',
      type: 'flag',
      help: "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)",
    },
    {
      name: 'encrypt.format',
      type: 'text',
      help: "Encrypt the image, format choices: 'aes', 'luks'",
    },
    {
      name: 'encrypt.key-secret',
      type: 'text',
      help: 'ID of secret providing qcow AES key or LUKS passphrase',
    },
    { name: 'encrypt.cipher-alg', type: 'text', help: 'Name of encryption cipher algorithm' },
    { name: 'encrypt.cipher-mode', type: 'text', help: 'Name of encryption cipher mode' },
    { name: 'encrypt.ivgen-alg', type: 'text', help: 'Name of IV generator algorithm' },
    { name: 'encrypt.ivgen-hash-alg', type: 'text', help: 'Name of IV generator hash algorithm' },
    { name: 'encrypt.hash-alg', type: 'text', help: 'Name of encryption hash algorithm' },
    { name: 'encrypt.iter-time', type: 'number', help: 'Time to spend in PBKDF in milliseconds' },
    { name: 'cluster_size', type: 'size', help: 'qcow2 cluster size', byDefault: '65536' },
    { name: 'extended_l2', type: 'flag', help: 'Extended L2 tables', byDefault: 'off' },
    {
      name: 'preallocation',
      type: 'text',
      help: 'Preallocation mode (allowed values: off, metadata, falloc, full)',
    },
    {
      name: 'compression_type',
      type: 'text',
      help: 'Compression method used for image cluster compression',
      byDefault: 'zlib',
    },
    SIZE,
    { name: 'compat', type: 'text', help: 'Compatibility level (v2 [0.10] or v3 [1.1])' },
    { name: 'backing_file', type: 'text', help: 'File name of a base image' },
    { name: 'backing_fmt', type: 'text', help: 'Image format of the base image' },
    { name: 'data_file', type: 'text', help: 'File name of an external data file' },
    {
      name: 'data_file_raw',
      type: 'flag',
      help: 'The external data file must stay valid as a raw image',
    },
    { name: 'lazy_refcounts', type: 'flag', help: 'Postpone refcount updates', byDefault: 'off' },
    {
      name: 'refcount_bits',
      type: 'number',
      help: 'Width of a reference count entry in bits',
      byDefault: '16',
    },
  ],
  raw: [SIZE],
  file: [SIZE, ...FILE_OPTIONS],
  host_device: [
    SIZE,
    { name: 'preallocation', type: 'text', help: 'Preallocation mode (allowed values: off)' },
  ],
  vpc: [
    SIZE,
    {
      name: 'subformat',
      type: 'text',
      help: 'Type of virtual hard disk format. Supported formats are {dynamic (default) | fixed} ',
    },
    {
      name: 'force_size',
      type: 'flag',
      help: 'Force disk size calculation to use the actual size specified, rather than using the nearest CHS-based calculation',
    },
  ],
  vhdx: [
    { name: 'size', type: 'size', help: 'Virtual disk size; max of 64TB.' },
    { name: 'log_size', type: 'size', help: 'Log size; min 1MB.', byDefault: '1048576' },
    {
      name: 'block_size',
      type: 'size',
      help: 'Block Size; min 1MB, max 256MB. 0 means auto-calculate based on image size.',
      byDefault: '0',
    },
    {
      name: 'subformat',
      type: 'text',
      help: "VHDX format type, can be either 'dynamic' or 'fixed'. Default is 'dynamic'.",
    },
    {
      name: 'block_state_zero',
      type: 'flag',
      help: "Force use of payload blocks of type 'ZERO'. Non-standard, but default.  Do not set to 'off' when using 'qemu-img convert' with subformat=dynamic.",
    },
  ],
  vmdk: [
    SIZE,
    {
      name: 'adapter_type',
      type: 'text',
      help: 'Virtual adapter type, can be one of ide (default), lsilogic, buslogic or legacyESX',
    },
    { name: 'backing_file', type: 'text', help: 'File name of a base image' },
    { name: 'backing_fmt', type: 'text', help: "Must be 'vmdk' if present" },
    { name: 'compat6', type: 'flag', help: 'VMDK version 6 image', byDefault: 'off' },
    { name: 'hwversion', type: 'text', help: 'VMDK hardware version', byDefault: 'undefined' },
    { name: 'toolsversion', type: 'text', help: 'VMware guest tools version' },
    {
      name: 'subformat',
      type: 'text',
      help: 'VMDK flat extent format, can be one of {monolithicSparse (default) | monolithicFlat | twoGbMaxExtentSparse | twoGbMaxExtentFlat | streamOptimized} ',
    },
    {
      name: 'zeroed_grain',
      type: 'flag',
      help: 'Enable efficient zero writes using the zeroed-grain GTE feature',
    },
  ],
  vdi: [
    SIZE,
    { name: 'static', type: 'flag', help: 'VDI static (pre-allocated) image', byDefault: 'off' },
  ],
  // Not a format of qemu-img's.
  zstd: [SIZE, { name: 'frame_size', type: 'size', help: 'Content of each frame (in bytes)' }],
  parallels: [
    SIZE,
    {
      name: 'cluster_size',
      type: 'size',
      help: 'Parallels image cluster size',
      byDefault: '1048576',
    },
  ],
  qed: [
    SIZE,
    { name: 'backing_file', type: 'text', help: 'File name of a base image' },
    { name: 'backing_fmt', type: 'text', help: 'Image format of the base image' },
    { name: 'cluster_size', type: 'size', help: 'Cluster size (in bytes)', byDefault: '65536' },
    { name: 'table_size', type: 'size', help: 'L1/L2 table size (in clusters)' },
  ],
  qcow: [
    SIZE,
    { name: 'backing_file', type: 'text', help: 'File name of a base image' },
    { name: 'backing_fmt', type: 'text', help: 'Format of the backing image' },
    {
      name: 'encryption',
      type: 'flag',
      help: "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)",
    },
    { name: 'encrypt.format', type: 'text', help: "Encrypt the image, format choices: 'aes'" },
    {
      name: 'encrypt.key-secret',
      type: 'text',
      help: 'ID of the secret that provides the AES encryption key',
    },
  ],
  luks: [
    SIZE,
    {
      name: 'key-secret',
      type: 'text',
      help: 'ID of the secret that provides the keyslot passphrase',
    },
    { name: 'cipher-alg', type: 'text', help: 'Name of encryption cipher algorithm' },
    { name: 'cipher-mode', type: 'text', help: 'Name of encryption cipher mode' },
    { name: 'ivgen-alg', type: 'text', help: 'Name of IV generator algorithm' },
    { name: 'ivgen-hash-alg', type: 'text', help: 'Name of IV generator hash algorithm' },
    { name: 'hash-alg', type: 'text', help: 'Name of encryption hash algorithm' },
    { name: 'iter-time', type: 'number', help: 'Time to spend in PBKDF in milliseconds' },
  ],
};

export const AMEND_OPTIONS: Readonly<Record<string, readonly FormatOption[]>> = {
  qcow2: [
    { name: 'backing_file', type: 'text', help: 'File name of a base image' },
    { name: 'backing_fmt', type: 'text', help: 'Image format of the base image' },
    { name: 'compat', type: 'text', help: 'Compatibility level (v2 [0.10] or v3 [1.1])' },
    { name: 'data_file', type: 'text', help: 'File name of an external data file' },
    {
      name: 'data_file_raw',
      type: 'flag',
      help: 'The external data file must stay valid as a raw image',
    },
    { name: 'encrypt.iter-time', type: 'number', help: 'Time to spend in PBKDF in milliseconds' },
    {
      name: 'encrypt.keyslot',
      type: 'number',
      help: 'Select a single keyslot to modify explicitly',
    },
    {
      name: 'encrypt.new-secret',
      type: 'text',
      help: 'New secret to set in the matching keyslots. Empty string to erase',
    },
    {
      name: 'encrypt.old-secret',
      type: 'text',
      help: 'Select all keyslots that match this password',
    },
    {
      name: 'encrypt.state',
      type: 'text',
      help: 'Select new state of affected keyslots (active/inactive)',
    },
    { name: 'lazy_refcounts', type: 'flag', help: 'Postpone refcount updates' },
    { name: 'refcount_bits', type: 'number', help: 'Width of a reference count entry in bits' },
    SIZE,
  ],
  luks: [
    { name: 'iter-time', type: 'number', help: 'Time to spend in PBKDF in milliseconds' },
    { name: 'keyslot', type: 'number', help: 'Select a single keyslot to modify explicitly' },
    {
      name: 'new-secret',
      type: 'text',
      help: 'New secret to set in the matching keyslots. Empty string to erase',
    },
    { name: 'old-secret', type: 'text', help: 'Select all keyslots that match this password' },
    {
      name: 'state',
      type: 'text',
      help: 'Select new state of affected keyslots (active/inactive)',
    },
  ],
};

/** Options to create a file of a format with: its own, and those of files that it does not have. */
export function createOptionsOf(format: string): readonly FormatOption[] | undefined {
  const own = CREATE_OPTIONS[format];
  if (own === undefined) return undefined;
  const others = FILE_OPTIONS.filter(({ name }) => !own.some((option) => option.name === name));
  return [...own, ...others];
}
