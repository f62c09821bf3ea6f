"""The scheme of `arz` once more, compiled: whole decision intervals while a block of crossings stays in the cache.

A block holds `L` crossings. Its arrays have the cells first and the lanes last, lane `link * L + crossing`: every
loop over lanes is one stretch of memory and one instruction for several lanes. Cells are updated in place in a
single pass, each carrying its old outflow and attribute on to the next one.

No reassociation and no fused multiply-add is allowed (`fastmath` stays off), every lane is computed for itself, and
sums over cells are added in the order of the cells: results do not depend on blocks, lanes or threads, and in
float64 they are those of `arz` to the last bit. Tests hold both.
"""
