/**
 * The account id as a person compares it: 30 decimal digits (about 100 bits) in 6 groups of 5. The id, as one big-endian
 * number, modulo 10^30.
 * Source   spec/chains.md, CH4
 */
export const accountDigits = (accountId: Uint8Array): string => {
  let value = 0n
  for (const byte of accountId) value = (value << 8n) | BigInt(byte)
  const digits = (value % 10n ** 30n).toString().padStart(30, "0")
  return digits.replace(/.{5}(?=.)/g, "$& ")
}
