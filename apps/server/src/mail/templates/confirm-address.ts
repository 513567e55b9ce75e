import { defineTemplate, paragraphs } from "../template.ts"

/** To a new address, before it becomes the one of the account. */
export const confirmAddress = defineTemplate<{ link: string; hours: string }>({
  name: "confirm-address",
  write: ({ link, hours }) => ({
    subject: "Confirm your new address",
    body: paragraphs(
      `This address was entered as the new one of an account. Open this page to confirm it:\n\n${link}`,
      `If you did not ask for this, do nothing. The link works once, for ${hours} hours.`,
    ),
  }),
})
