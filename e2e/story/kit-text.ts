/** The code in the text of a kit. */
export const codeOfKit = (text: string): string => {
  const code = /KF1(?:-[0-9A-Z]{4}){9}/.exec(text)?.[0]
  if (code === undefined) throw new Error("the kit has no code")
  return code
}

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/** The 20 bytes behind it (KE15), for the search: a program may have written them in any other form. */
export const bytesOfKit = (code: string): Uint8Array => {
  const characters = code.replaceAll("-", "").slice(3, 35)
  let bits = 0n
  for (const character of characters) bits = (bits << 5n) | BigInt(CROCKFORD.indexOf(character))
  return Buffer.from(bits.toString(16).padStart(40, "0"), "hex")
}
