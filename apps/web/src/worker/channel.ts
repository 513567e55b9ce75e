import type { Line } from "../bridge/proxy.ts"

const left = new WeakSet<BroadcastChannel>()

/** What is said after this is said to nobody: an answer may be under way to a tab that is gone. */
export const closeChannel = (channel: BroadcastChannel): void => {
  left.add(channel)
  channel.close()
}

/** A broadcast channel stays within this origin by itself, and takes no target. */
export const post = (channel: BroadcastChannel, message: unknown): void => {
  if (left.has(channel)) return
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  channel.postMessage(message)
}

export const channelLine = <Out, In>(channel: BroadcastChannel): Line<Out, In> => ({
  send: (message) => post(channel, message),
  listen: (onMessage) => channel.addEventListener("message", (event: MessageEvent<In>) => onMessage(event.data)),
})
