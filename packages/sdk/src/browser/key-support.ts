/** Whether this browser makes both kinds of keys by itself. Where it does not, seeds stand in the sealed store instead. */
export const hasKeyObjects = async (subtle: Pick<SubtleCrypto, "generateKey">): Promise<boolean> => {
  try {
    await subtle.generateKey("Ed25519", false, ["sign"])
    await subtle.generateKey("X25519", false, ["deriveBits"])
    return true
  } catch {
    // Any refusal means that the browser cannot.
    return false
  }
}
