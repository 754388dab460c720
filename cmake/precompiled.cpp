// Nothing: this file is what cmake/Precompiled.cmake builds the precompiled headers with.
