import { defineTemplate, paragraphs } from "../template.ts"

/** The first device of a new account: confirming it also confirms the address. */
export const verifyFirst = defineTemplate<{ link: string; platform: string; minutes: string }>({
  name: "verify-first",
  write: ({ link, platform, minutes }) => ({
    subject: "Confirm your address and your first device",
    body: paragraphs(
      `Somebody signed up with this address on a device (${platform}).`,
      `If this is you, open this page and type the six digits that the device shows:\n\n${link}`,
      `If it is not you, open the same page and choose “This was not me”, or do nothing.`,
      `The link works once, for ${minutes} minutes. A newer mail replaces it.`,
    ),
  }),
})
