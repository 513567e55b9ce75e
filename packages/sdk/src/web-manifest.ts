/** The list of files of the web app (`@keyferry/sdk/web-manifest`), for programs that compare a server with it. */
export { isScreenPath, parseWebManifest, type WebFile, type WebManifest } from "@keyferry/protocol"
