import { readFileSync } from "node:fs"

import { errors } from "@keyferry/protocol"
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify"

import type { Context } from "../service/context.ts"
import { deleteDevelopmentMail, listDevelopmentMail } from "../store/mail-queue.ts"

const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  // A browser asks for an icon by itself.
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ")

const read = (name: string): string => readFileSync(new URL(`../pages/${name}`, import.meta.url), "utf8")

/**
 * The few pages that mails and start-up lines lead to. Tokens stand behind the `#`, so they never arrive here; opening a
 * page changes nothing, whoever or whatever opens it.
 */
export const addPages = (app: FastifyInstance, context: Context, withStartPage: boolean): void => {
  const html = (name: string) => {
    const page = read(name)
    return async (_request: FastifyRequest, reply: FastifyReply) =>
      reply.header("content-security-policy", CSP).type("text/html; charset=utf-8").send(page)
  }
  const asset = (name: string, type: string) => {
    const text = read(name)
    return async (_request: FastifyRequest, reply: FastifyReply) => reply.type(type).send(text)
  }
  const page = (url: string, name: string): void =>
    void app.route({ method: ["GET", "HEAD"], url, handler: html(name) })
  if (withStartPage) page("/", "start.html")
  page("/v/", "confirm.html")
  page("/address/", "address.html")
  page("/freeze/", "freeze.html")
  page("/setup", "setup.html")
  app.get("/v", async (_request, reply) => reply.redirect("/v/", 308))
  app.get("/pages/style.css", asset("style.css", "text/css; charset=utf-8"))
  app.get("/pages/confirm.js", asset("confirm.js", "text/javascript; charset=utf-8"))
  app.get("/pages/address.js", asset("address.js", "text/javascript; charset=utf-8"))
  app.get("/pages/freeze.js", asset("freeze.js", "text/javascript; charset=utf-8"))
  app.get("/pages/setup.js", asset("setup.js", "text/javascript; charset=utf-8"))
  app.get("/errors", async (_request, reply) =>
    reply.header("content-security-policy", CSP).type("text/html; charset=utf-8").send(errorsPage()),
  )
  if (context.mail.mode === "development") addMailbox(app, context)
}

/** Every mail of a server that has no mail server: for trying things out, on this machine only. */
const addMailbox = (app: FastifyInstance, { store, settings }: Context): void => {
  const isHere = (request: FastifyRequest): boolean =>
    /^(::1|127\.\d+\.\d+\.\d+|::ffff:127\.\d+\.\d+\.\d+)$/.test(request.raw.socket.remoteAddress ?? "") &&
    request.headers["x-forwarded-for"] === undefined &&
    request.headers["forwarded"] === undefined &&
    // A name that a stranger's page made point to this machine is not one of ours.
    settings.authorities.includes((request.headers.host ?? "").toLowerCase())
  const guard = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (!isHere(request)) reply.callNotFound()
  }

  app.get("/dev/mailbox", { preHandler: guard }, async (_request, reply) => {
    const mails = await store.read(listDevelopmentMail)
    const list = mails
      .map(
        (m) =>
          `<article><h2>${escapeHtml(m.subject)}</h2><p>To ${escapeHtml(m.recipient)}, ${new Date(m.created_ms).toISOString()}</p><pre>${linkify(m.body)}</pre></article>`,
      )
      .join("")
    const body = list === "" ? "<p>No mail yet.</p>" : list
    return reply
      .header("content-security-policy", CSP)
      .type("text/html; charset=utf-8")
      .send(frame("Development mailbox", body))
  })
  app.get("/dev/mailbox.json", { preHandler: guard }, async (_request, reply) => {
    const mails = await store.read(listDevelopmentMail)
    return reply.type("application/json").send(
      JSON.stringify({
        mails: mails.map((m) => ({ id: m.id, to: m.recipient, subject: m.subject, body: m.body, atMs: m.created_ms })),
      }),
    )
  })
  app.delete("/dev/mailbox.json", { preHandler: guard }, async (_request, reply) => {
    await store.transaction(deleteDevelopmentMail)
    return reply.status(204).send()
  })
}

const frame = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title} · Keyferry</title><link rel="icon" href="/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="/pages/style.css"></head><body><header><a class="brand" href="/">Keyferry</a></header><main><h1>${title}</h1>${body}</main></body></html>`

const errorsPage = (): string =>
  frame(
    "Errors",
    Object.entries(errors)
      .map(
        ([code, e]) =>
          `<section id="${code}"><h2><code>${code}</code></h2><p>${escapeHtml(e.sentence)}</p><p>${escapeHtml(e.keys)}</p><p><strong>${escapeHtml(e.action)}</strong></p></section>`,
      )
      .join(""),
  )

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
}
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c] ?? "")

const linkify = (text: string): string =>
  escapeHtml(text).replace(/https?:\/\/[^\s&<]+/g, (url) => `<a href="${url}">${url}</a>`)
