/** One of a few, in a filter: its name is said and not drawn. */
export const SelectBox = <V extends string>({
  label,
  value,
  onChange,
  options,
}: {
  readonly label: string
  readonly value: V
  readonly onChange: (value: V) => void
  readonly options: readonly (readonly [V, string])[]
}) => (
  <label className="select">
    <span className="unseen">{label}</span>
    <select className="input" value={value} onChange={(event) => onChange(event.target.value as V)}>
      {options.map(([id, text]) => (
        <option key={id} value={id}>
          {text}
        </option>
      ))}
    </select>
  </label>
)
