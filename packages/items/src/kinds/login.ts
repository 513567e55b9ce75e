import { ok } from "@keyferry/base"

import { areUrls, isOtp } from "../checks.ts"
import { defineKind } from "../kind.ts"

/** A name and password for a site or service. The user name is a credential too, though it is shown. */
export const login = defineKind({
  kind: "login",
  label: "Login",
  latest: 1,
  credential: true,
  defaultClass: "standard",
  fields: [
    { name: "username", label: "User name", secret: false, aliases: ["user", "login", "email"] },
    { name: "password", label: "Password", secret: true, input: "exact", aliases: ["pass", "pw"] },
    {
      name: "url",
      label: "Web addresses",
      secret: false,
      multiline: true,
      aliases: ["urls", "uri", "website"],
      check: areUrls,
    },
    {
      name: "otp",
      label: "One-time password",
      secret: true,
      aliases: ["totp", "2fa"],
      hint: "An otpauth:// address or the base32 secret",
      check: isOtp,
    },
  ],
  parse: (values) => ok(values),
  summary: (visible) => [visible.username, hostOf(visible.url)].filter(Boolean).join(" · "),
  example: {
    title: "Example shop",
    fields: {
      username: "ada@example.com",
      password: "correct horse battery staple",
      url: "https://shop.example.com/login",
      otp: "otpauth://totp/Example:ada?secret=JBSWY3DPEHPK3PXP&issuer=Example",
    },
  },
})

const hostOf = (urls: string | undefined): string => /^[a-z][a-z0-9+.-]*:\/\/([^/?#\s]+)/i.exec(urls ?? "")?.[1] ?? ""
