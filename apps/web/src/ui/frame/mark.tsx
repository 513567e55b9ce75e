/** A ferry's hull under a key's bow. */
export const Mark = ({ size = 24 }: { readonly size?: number }) => (
  <svg width={size} height={size} viewBox="0 0 24 24" className="icon mark" aria-hidden="true">
    <path d="M3 15.5h18l-2.5 4.5H5.5zM8 15.5V9.5M8 9.5a3 3 0 1 1 .01 0M8 12.5h3.5" />
    <path d="M13 15.5 17 8v7.5" />
  </svg>
)
