import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"
import { parsePrivateKey, publicKeyLine } from "@keyferry/ssh-agent"

import type { CommandSpec } from "../command.ts"
import { type Context, openVault } from "../context.ts"
import { findField } from "../find.ts"
import { printable } from "../io.ts"
import type { ItemView, Keyferry } from "../keyferry.ts"

const viewsOf = async (keyferry: Keyferry, kind: string): Promise<Result<readonly ItemView[], Failure>> => {
  const items = await keyferry.list()
  if (!items.ok) return items
  const views: ItemView[] = []
  for (const item of items.value.filter((candidate) => candidate.kind === kind)) {
    const view = await keyferry.get(item.id)
    if (view.ok) views.push(view.value)
  }
  return ok(views)
}

const valueOf = (view: ItemView, name: string): string | undefined =>
  view.fields.find((field) => field.name === name)?.value

const publicKeyOf = (view: ItemView): string | undefined => {
  const stored = valueOf(view, "public-key")
  if (stored !== undefined) return stored.trim()
  const parsed = parsePrivateKey(valueOf(view, "private-key") ?? "", valueOf(view, "passphrase"))
  return parsed.ok ? publicKeyLine(parsed.value, valueOf(view, "comment") ?? view.title) : undefined
}

const socketOf = async (context: Context): Promise<Result<string, Failure>> => {
  const connected = await context.connect()
  if (!connected.ok) return connected
  const running = await connected.value.agent?.status()
  return running === undefined
    ? err(failure("needs-terminal", "SSH keys are served by the agent; leave --no-agent out."))
    : ok(running.sshSocket)
}

/** A name as ssh_config takes it: no white space, no patterns. */
const hostAlias = (title: string): string =>
  title
    .trim()
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")

export const command: CommandSpec = {
  name: "ssh",
  summary: "SSH keys from the vault, served by the agent",
  subcommands: [
    {
      name: "socket",
      summary: "print the agent's SSH socket: export SSH_AUTH_SOCK=$(kf ssh socket)",
      run: async (context) => {
        const socket = await socketOf(context)
        if (!socket.ok) return socket
        context.io.answer({ schema: "kf.ssh-socket/1", socket: socket.value }, [socket.value])
        return ok("done")
      },
    },
    {
      name: "keys",
      summary: "print the public keys, one a line, as authorized_keys takes them",
      run: async (context) => {
        const keyferry = await openVault(context)
        if (!keyferry.ok) return keyferry
        const views = await viewsOf(keyferry.value, "ssh-key")
        if (!views.ok) return views
        const keys = views.value.map((view) => ({ id: view.id, title: view.title, publicKey: publicKeyOf(view) }))
        context.io.answer(
          { schema: "kf.ssh-keys/1", data: keys, nextCursor: null },
          keys.flatMap((key) => (key.publicKey === undefined ? [] : [printable(key.publicKey)])),
        )
        for (const key of keys) {
          if (key.publicKey === undefined)
            context.io.warn(
              `“${printable(key.title)}” cannot be used here: it is encrypted or of a kind that the agent does not serve.`,
            )
        }
        return ok("done")
      },
    },
    {
      name: "config",
      summary: "print a configuration for ssh, made from the hosts in the vault",
      more: ["  kf ssh config > ~/.ssh/keyferry && echo 'Include keyferry' at the top of ~/.ssh/config"],
      run: async (context) => {
        const socket = await socketOf(context)
        if (!socket.ok) return socket
        const keyferry = await openVault(context)
        if (!keyferry.ok) return keyferry
        const hosts = await viewsOf(keyferry.value, "host")
        if (!hosts.ok) return hosts
        const lines = ["# Written by kf ssh config."]
        for (const host of hosts.value) {
          const alias = hostAlias(host.title)
          if (alias === "") continue
          const user = await findField(keyferry.value, host, { field: "username" })
          const jump = hosts.value.find((other) => other.id === valueOf(host, "jump-host"))
          lines.push(`Host ${alias}`, `  HostName ${valueOf(host, "address") ?? alias}`)
          if (user.ok && /^[^\s"]+$/.test(user.value.value)) lines.push(`  User ${user.value.value}`)
          if (valueOf(host, "port") !== undefined) lines.push(`  Port ${valueOf(host, "port")}`)
          if (jump !== undefined) lines.push(`  ProxyJump ${hostAlias(jump.title)}`)
          lines.push(`  IdentityAgent "${socket.value}"`)
        }
        context.io.answer({ schema: "kf.ssh-config/1", text: lines.join("\n") }, lines)
        return ok("done")
      },
    },
  ],
}
