import { useMemo } from "react"
import { encode } from "uqr"

/** Black on white in every theme, four modules of quiet. Drawn as one path: nothing is parsed as HTML. */
export const QrCode = ({ text, name }: { readonly text: string; readonly name: string }) => {
  const { size, path } = useMemo(() => {
    const code = encode(text, { ecc: "M", border: 4 })
    let path = ""
    for (const [y, row] of code.data.entries()) {
      for (const [x, dark] of row.entries()) if (dark) path += `M${x} ${y}h1v1h-1z`
    }
    return { size: code.size, path }
  }, [text])
  return (
    <svg className="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={name}>
      <path d={path} fill="#000" />
    </svg>
  )
}
