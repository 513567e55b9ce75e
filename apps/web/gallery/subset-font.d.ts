/** What fonts.ts uses of it: https://www.npmjs.com/package/subset-font */
declare module "subset-font" {
  type Axis = number | { readonly min: number; readonly max: number; readonly default: number }
  const subsetFont: (
    font: Buffer,
    text: string,
    options: {
      readonly targetFormat: "woff2"
      readonly variationAxes: Readonly<Record<string, Axis>>
      readonly keepFeatures: readonly string[]
      readonly noHinting: boolean
    },
  ) => Promise<Buffer>
  export = subsetFont
}
