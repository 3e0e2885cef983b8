// Which types the sources define, and which qualified names they define in two places. Two different classes
// of one name in one program are undefined behaviour that no compiler and no linker has to report.
#pragma once

#include <string>
#include <vector>

#include "source_files.h"

namespace emend::structure {

struct TypeDefinition {
  std::string
      name;  // qualified: "emend::Model::Site"; a specialisation with its arguments: "emend::Hash<int>"
  std::string file;
  int line = 0;
};

// The classes, structs, unions, enums and aliases (using, typedef) that other files could meet: not forward
// declarations, types inside functions, or types in an anonymous namespace of a .cpp file. Throws
// std::runtime_error if braces do not match.
std::vector<TypeDefinition> find_types(const SourceFile& file);

// One line for each name that two or more files define: "emend::X: src/a.h:3, src/b.cpp:7". Two definitions
// in one file are left to the compiler; they stand in branches of #if.
std::vector<std::string> find_types_defined_twice(const std::vector<SourceFile>& files);

}  // namespace emend::structure
