/** Pages to read. */
export const pages = {
  "sees.title": "What the server can see",
  "sees.short":
    "How many encrypted records you have, their rough sizes and when they change, what your devices run and their network addresses. Not: names, keys, exchanges, notes.",
  "sees.link": "The whole table",
  "sees.what": "What",
  "sees.sees": "Server",
  "sees.exactly": "Exactly",
  "sees.yes": "sees it",
  "sees.no": "can’t see it",
  "sees.address": "Your email address",
  "sees.address-more": "To find your account and to mail you.",
  "sees.network": "When and from where you connect",
  "sees.network-more": "Network address and time of each request, as every web server does.",
  "sees.devices": "Your devices",
  "sees.devices-more":
    "How many there are, the system and program each says it is, their public keys, when they were last in contact. Never the names you give them.",
  "sees.count": "How many records, how big, how often",
  "sees.count-more": "Sizes are rounded up. It sees that something changed, never what.",
  "sees.factor": "The secret of your authenticator",
  "sees.factor-more": "The strongroom checks its codes. It opens nothing.",
  "sees.values": "Keys, passwords, notes",
  "sees.values-more": "Every value is sealed on your device under keys the server never has.",
  "sees.names": "Names, exchanges, hosts, tags, kinds",
  "sees.names-more": "They are sealed together with the values.",
  "sees.local": "Local-only credentials",
  "sees.local-more": "Not even encrypted: nothing of them is ever sent.",
  "sees.password": "Your password",
  "sees.password-more": "Signing in proves that you know it without sending it, not even hashed.",
  "sees.kit": "Your recovery kit",
  "sees.kit-more": "Made on your device, shown once, stored nowhere.",

  "security.title": "How your keys are kept",
  "security.lead": "In short: sealed on your device, kept as ciphertext, opened only on devices you confirmed.",
  "security.path": "The way of a key",
  "security.path-1": "This browser seals it, with its name, under a key of its own. Browser keys can’t be exported.",
  "security.path-2":
    "The server passes the ciphertext to an isolated process with no way out, the strongroom, which encrypts it once more.",
  "security.path-3":
    "Another device of yours gets it only while the strongroom says that the device is in your account.",
  "security.path-4": "That device opens it. A removed device gets nothing more, and its strict copies close for good.",
  "security.cannot": "What nobody can do for you",
  "security.cannot-1": "Un-read a key that a lost device has shown. That is why you get a list of what to replace.",
  "security.cannot-2": "Reset your password. The recovery kit is the way back.",
  "security.cannot-3": "Protect you from somebody at your unlocked screen. Lock with Ctrl Shift L.",
  "security.cannot-4":
    "Check that a server sent you this very app: a page comes from the server each time. The command line can compare it.",

  "vaults.title": "About vaults",
  "vaults.lead": "A vault is a container. You have one: Personal.",
  "vaults.personal": "Personal",
  "vaults.personal-more":
    "Only your own devices open it. Each item in it is synced or local only; you choose for each.",
  "vaults.credentials": "Credentials and the rest",
  "vaults.credentials-more":
    "Exchange keys, logins, SSH keys, identities, tokens, environment sets and notes are credentials. Hosts, groups and snippets hold no secret. A switch in Settings keeps all credentials off the server and lets the rest sync.",
  "vaults.strict": "Strict and standard",
  "vaults.strict-more":
    "Exchange keys are strict: no server, no key, so a stolen laptop goes dark. Everything else is standard and opens offline for a day. You can change the class of each.",
  "vaults.leaving": "When you leave",
  "vaults.leaving-more": "Signing out names what exists only on that browser before anything is deleted.",
} as const
