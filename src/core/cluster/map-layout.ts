/** How the byte arrays of the cluster map are laid out. Apart from cluster-map.ts, so that what it uses need not import it back. */

/** The slot of nobody. */
export const NO_NODE = 255
/** In-sync copies of one bucket: what may be wished for, and room for one that replaces another. */
export const COPIES_MAX = 6
