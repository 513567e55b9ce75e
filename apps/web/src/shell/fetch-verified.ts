/**
 * Fetches one file of the app and gives it only if it is the very file that was built together with the asker.
 * Errors: rejects for a refused, missing, redirected or changed file.
 */
export const fetchVerified = async (
  path: string,
  sha256: string,
  get: (path: string, init: RequestInit) => Promise<Response>,
): Promise<Response> => {
  const response = await get(path, { cache: "no-cache", credentials: "omit", redirect: "error" })
  const bytes = await response.clone().arrayBuffer()
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
  const hex = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")
  if (!response.ok || hex !== sha256) throw new Error(`${path} is not the file of this version`)
  return response
}
