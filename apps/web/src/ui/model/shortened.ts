/** A name of somebody's, as long as its place holds; that more follows is seen. */
export const shortened = (name: string, most = 80): string =>
  name.length > most ? `${name.slice(0, most - 1)}…` : name
