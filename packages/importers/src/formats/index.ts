// Written by tools/registries.ts from this folder's listing. Add a file, then run it.

export {  }

export const formats = [] as const
