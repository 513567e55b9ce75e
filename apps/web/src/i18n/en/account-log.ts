import { ACCOUNT_LOG } from "@keyferry/sdk/account-log-words"

type LogTexts = { readonly [K in keyof typeof ACCOUNT_LOG as `log.${K}`]: (typeof ACCOUNT_LOG)[K] }

/** The lines of the server's log, whose sentences `kf activity` says too, and the page around them. */
export const accountLog = {
  ...(Object.fromEntries(Object.entries(ACCOUNT_LOG).map(([kind, text]) => [`log.${kind}`, text])) as LogTexts),

  "activity.lead":
    "The newest lines of the server’s log of your account, and what this browser knows of its credentials. Names are put in here; the server’s log has ids only.",
  "activity.show": "What is shown",
  "activity.everything": "Everything",
  "activity.account": "Account and devices",
  "activity.credentials": "Credentials",
  "activity.asking": "Asking the server for its log",
  "activity.without": "Without an account there is no server’s log. This is what this browser knows.",
  "activity.at-server": "server’s log",
  "activity.here": "in the vault",
  "activity.a-device": "A device",
  "activity.exactly": "What the server has: {what}",
  "activity.unknown": "Something this app has no words for: {kind}",
  "activity.added": "“{name}” was added",
  "activity.changed": "“{name}” was changed",
  "activity.empty": "Nothing yet.",
} as const
