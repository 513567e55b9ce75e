import { defineTemplate, paragraphs } from "../template.ts"

/** To the owner of an address that somebody else tried to use. The other one learns nothing. */
export const addressTaken = defineTemplate<{ origin: string }>({
  name: "address-taken",
  write: ({ origin }) => ({
    subject: "Somebody tried to use your address",
    body: paragraphs(
      `Somebody tried to use this address for another account on ${origin}. You already have one, and nothing of it was changed.`,
      `If this was you: sign in instead of signing up. With a lost password, the kit opens your account.`,
    ),
  }),
})
