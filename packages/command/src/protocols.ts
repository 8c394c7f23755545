/** Drivers that QEMU has as protocols, too. */
const PROTOCOLS: ReadonlySet<string> = new Set([
  'blkdebug',
  'blkverify',
  'file',
  'host_device',
  'null-aio',
  'null-co',
]);

export function isProtocol(driver: string): boolean {
  return PROTOCOLS.has(driver);
}
