/** What a plan allows; 0 means without limit. The server owns the values, the strongroom counts. */
export interface Plan {
  readonly name: string
  readonly devices: number
  readonly items: number
  readonly bytes: number
}

/** A self-hosted server has one plan, without limits unless its operator sets some. */
export const onlyPlan = (limits: Omit<Plan, "name">): Plan => ({ name: "own", ...limits })
