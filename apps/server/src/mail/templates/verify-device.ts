import { defineTemplate, paragraphs } from "../template.ts"

/** The link that confirms a waiting device, together with the code that only that device shows. */
export const verifyDevice = defineTemplate<{ link: string; platform: string; minutes: string }>({
  name: "verify-device",
  write: ({ link, platform, minutes }) => ({
    subject: "A new device waits for your confirmation",
    body: paragraphs(
      `A device (${platform}) signed in with your password and your second factor. It gets nothing until you confirm it.`,
      `If this is you, open this page and type the six digits that the new device shows:\n\n${link}`,
      `If it is not you, open the same page and choose “This was not me”. Then change your password.`,
      `The link works once, for ${minutes} minutes. A newer mail replaces it.`,
    ),
  }),
})
