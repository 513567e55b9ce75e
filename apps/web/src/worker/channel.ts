import type { Line } from "../bridge/proxy.ts"

/** A broadcast channel stays within this origin by itself, and takes no target. */
export const post = (channel: BroadcastChannel, message: unknown): void =>
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  channel.postMessage(message)

export const channelLine = <Out, In>(channel: BroadcastChannel): Line<Out, In> => ({
  send: (message) => post(channel, message),
  listen: (onMessage) => channel.addEventListener("message", (event: MessageEvent<In>) => onMessage(event.data)),
})
