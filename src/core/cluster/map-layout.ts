/** How the byte arrays of the cluster map are laid out. Apart from cluster-map.ts, so that what it uses need not import it back. */

/** The slot of nobody. */
export const NO_NODE = 255
export {COPIES_MAX} from '../../constants.ts'
