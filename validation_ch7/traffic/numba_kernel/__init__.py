"""The scheme of `arz`, compiled: a block of crossings stays in the cache during a whole decision interval.

A block holds `L` crossings. Its arrays have cells first and lanes last, lane `link * L + crossing`, so that loops over
lanes read contiguous memory and use SIMD instructions. Cells are updated in place in one pass; each passes its old
outflow and attribute on to the next one.

Reassociation and fused multiply-add are not allowed (`fastmath` is off), every lane is computed separately, and sums
over cells are added in the order of the cells. So results do not depend on blocks, lanes or threads, and they equal
those of `arz` bit for bit. Tests check both.
"""
