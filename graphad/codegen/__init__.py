"""Plan → Program: straight-line Python source over NumPy, and over plain floats for scalars.

recording   the namespace `xp` that writes down what an op's formula calls
vocabulary  how each NumPy function is written in a line of source: arrays, and floats
statements  recorded calls as statements; where they come from
masking     products that keep zeros, as a product and a copy under a mask
program     source of a whole plan, compiled and registered for tracebacks

Large arrays, block by block:

blockroles  which nodes can be computed so; blocked: the source of one block of a group
buffers     the lines of a block, and the memory they write to
blocks      runs the blocks of a group; threads: on which threads
large       the program for large arrays, and when it is asked

Machine code (needs llvmlite), from the same recorded formulas:

scalars     typed instructions for one element; roles: which nodes they can express
loops       the loop nest of a fused group: its instructions, pass by pass over a row
vectors     an instruction on vectors, as LLVM text; mathlib: vector math functions
nest        the loops as LLVM text; entry: the C function of arrays that runs them
llvm        LLVM text to machine code; kernels: all groups of a program as one module
cache       machine code on disk; elf, image: brought into memory without LLVM
link        where what machine code calls lies
kept        programs of other processes, by their graphs; keeping: what is told of them
running     how programs in machine code answer calls; sharing: threads for their chunks
calls       how the program calls a kernel; native: the program with its safety net
numbers     programs of scalars as one C function
"""
