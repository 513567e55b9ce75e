import { describe, expect, test } from "vitest"

import { describeSettings, readConfig } from "./config.ts"

const files: Readonly<Record<string, string>> = {
  "/c.toml":
    'listen = "localhost:1"\nregistration = "open"\nother_origins = ["http://10.0.0.1:8420", "http://house"]\ntrusted_proxies = ["10.0.0.0/8"]\n[mail]\nfrom = "a@b.c"\n',
  "/typo.toml": 'lisen = "localhost:1"\n[mail]\nurll = "x"\n',
  "/broken.toml": "listen = \n",
  "/password": "smtp://u:secret@mail.example.org\n",
}
const readFile = (path: string): string => {
  const text = files[path]
  if (text === undefined) throw new Error("ENOENT")
  return text
}
const read = (args: string[], env: Record<string, string> = {}) => readConfig({ args, env, readFile })

describe("configuration", () => {
  test("flag beats environment beats file beats default, and each value knows its origin", () => {
    const config = read(["serve", "--config", "/c.toml", "--listen=localhost:3"], {
      KF_LISTEN: "localhost:2",
      KF_MAIL_MODE: "off",
    })
    if (!config.ok) throw new Error(config.error.join())
    expect(config.value.values.listen).toEqual({ host: "localhost", port: 3 })
    expect(config.value.values["mail.mode"]).toBe("off")
    expect(config.value.values.registration).toBe("open")
    expect(config.value.values.trusted_proxies).toEqual(["10.0.0.0/8"])
    expect(config.value.values.other_origins).toEqual(["http://10.0.0.1:8420", "http://house"])
    expect(config.value.words).toEqual(["serve"])
    const from = Object.fromEntries(config.value.origins.map((o) => [o.key, o.from]))
    expect(from).toMatchObject({
      listen: "flag --listen",
      "mail.mode": "environment KF_MAIL_MODE",
      registration: "file /c.toml",
      public_url: "default",
    })
  })

  test.each([
    [["--lisen", "x"], {}, "--lisen is no option. Did you mean --listen?"],
    [["--listen", "nowhere"], {}, "flag --listen: listen expects host:port."],
    [["--listen"], {}, "--listen needs a value."],
    [[], { KF_MAIL_URI: "smtp://x" }, "environment KF_MAIL_URI is no setting. Did you mean KF_MAIL_URL?"],
    [[], { KF_PUBLIC_URL: "https://x.org/path" }, "public_url expects an origin"],
    [[], { KF_MAIL_URL_FILE: "/none" }, "environment KF_MAIL_URL_FILE: the file cannot be read."],
    [["--config", "/typo.toml"], {}, "file /typo.toml: lisen is no setting. Did you mean listen?"],
    [["--config", "/typo.toml"], {}, "file /typo.toml: mail.urll is no setting. Did you mean mail.url?"],
    [["--config", "/broken.toml"], {}, "file /broken.toml cannot be read"],
    [["--mail-url", "smtp://u:secret@h"], {}, "mail.url holds a password"],
    [["--limits-rate-scale", "0"], {}, "limits.rate_scale expects a whole number from 1"],
    [["--trusted-proxies", "all"], {}, "trusted_proxies expects addresses"],
    [["--other-origins", "http://10.0.0.1:8420,house"], {}, "other_origins expects origins"],
  ])("%j %j is refused with a sentence", (args, env, sentence) => {
    const config = read(args, env)
    expect(config.ok ? [] : config.error.join("\n")).toContain(sentence)
  })

  test("a secret may come from a file and is never printed", () => {
    const config = read([], { KF_MAIL_URL_FILE: "/password" })
    if (!config.ok) throw new Error(config.error.join())
    expect(config.value.values["mail.url"]).toBe("smtp://u:secret@mail.example.org")
    expect(JSON.stringify(config.value.origins)).not.toContain("secret")
  })

  test("variables of other programs with the same prefix are left alone", () => {
    expect(read([], { KF_PROFILE: "work", HOME: "/" }).ok).toBe(true)
  })

  test("the printed documentation names every setting", () => {
    expect(describeSettings()).toContain('# listen = "localhost:8420"')
    expect(describeSettings()).toContain("KF_MAIL_URL")
  })
})
