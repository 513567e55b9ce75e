import { closeChannel, post } from "./channel.ts"

/*
 * How tabs of one profile find the one that holds the device. Web Locks decide who leads: a lock is let go by the browser in
 * the moment its tab dies, and the next in line has it. In the lobby only names of lines are said; each line between two
 * workers is a channel of its own with a name that nobody else knows.
 */
const DEVICE_LOCK = "keyferry-device"
const LOBBY = "keyferry-lobby"

type Said =
  /** A new leader answers now; whoever spoke to another one asks again. */
  { readonly kind: "leads" } | { readonly kind: "join"; readonly name: string }

/** The other end of a line is alive as long as it holds this lock. */
const tabLock = (name: string): string => `keyferry-tab-${name}`

export const whenLeading = (lead: () => Promise<void>): void => {
  void navigator.locks.request(DEVICE_LOCK, async () => {
    await lead()
    // Held until this worker ends.
    return new Promise<never>(() => undefined)
  })
}

/** The leader's side: one call of `serve` for each tab that joins. */
export const openLobby = (serve: (line: BroadcastChannel) => () => void): void => {
  const lobby = new BroadcastChannel(LOBBY)
  lobby.addEventListener("message", (event: MessageEvent<Said>) => {
    if (event.data.kind !== "join") return
    const { name } = event.data
    const line = new BroadcastChannel(name)
    const stop = serve(line)
    void navigator.locks.request(tabLock(name), () => {
      stop()
      closeChannel(line)
    })
  })
  post(lobby, { kind: "leads" } satisfies Said)
}

/** The other tabs' side: `joined` gets a fresh line whenever there is somebody new to speak to. Answers with its end. */
export const joinLobby = (joined: (line: BroadcastChannel) => void): (() => void) => {
  const lobby = new BroadcastChannel(LOBBY)
  let leave = (): void => undefined
  const join = async (): Promise<void> => {
    leave()
    const name = `keyferry-line-${crypto.randomUUID()}`
    const line = new BroadcastChannel(name)
    const { promise: left, resolve } = Promise.withResolvers<void>()
    leave = () => {
      resolve()
      closeChannel(line)
    }
    // The lock is held before the leader hears the name, or it would take us for gone.
    await new Promise<void>((held) => {
      void navigator.locks.request(tabLock(name), () => {
        held()
        return left
      })
    })
    joined(line)
    post(lobby, { kind: "join", name } satisfies Said)
  }
  lobby.addEventListener("message", (event: MessageEvent<Said>) => {
    if (event.data.kind === "leads") void join()
  })
  void join()
  return () => {
    closeChannel(lobby)
    leave()
  }
}
