/** Sent by every client as `Keyferry-Client: <name>/<version>`; the major and minor of the protocol it speaks. */
export const PROTOCOL_VERSION = 1
/** The oldest protocol that this server still answers. */
export const MIN_PROTOCOL_VERSION = 1
export const CLIENT_HEADER = "keyferry-client"
