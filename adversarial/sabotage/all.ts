import { sabotages as chain } from "./chain.ts"
import type { Sabotage } from "./definition.ts"
import { sabotages as device } from "./device.ts"
import { sabotages as exchanges } from "./exchanges.ts"
import { sabotages as page } from "./page.ts"
import { sabotages as passkeys } from "./passkeys.ts"
import { sabotages as sealed } from "./sealed.ts"
import { sabotages as strongroom } from "./strongroom.ts"

export const all: readonly Sabotage[] = [
  ...chain,
  ...sealed,
  ...strongroom,
  ...passkeys,
  ...page,
  ...device,
  ...exchanges,
]
