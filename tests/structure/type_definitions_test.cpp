// One qualified name is one type: two types of one name in two files would be linked into one program unseen.
#include "type_definitions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace emend::structure {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::vector<std::string> kSourceFolders = {"include", "src", "editors", "eval", "datasets"};

// The names of the types that `text` defines, in a header unless `path` says otherwise.
std::vector<std::string> names_in(const std::string& text, const std::string& path = "src/io/x.h") {
  std::vector<std::string> names;
  for (const TypeDefinition& type : find_types({path, text})) names.push_back(type.name);
  return names;
}

TEST(TypeDefinitions, TheProjectDefinesNoNameTwice) {
  EXPECT_THAT(find_types_defined_twice(read_sources(EMEND_SOURCE_DIR, kSourceFolders)), IsEmpty());
}

TEST(TypeDefinitions, TheReaderKnowsTheTypesOfTheProject) {
  std::vector<std::string> names;
  for (const SourceFile& file : read_sources(EMEND_SOURCE_DIR, {"include"})) {
    for (const TypeDefinition& type : find_types(file)) names.push_back(type.name);
  }
  EXPECT_THAT(names, testing::IsSupersetOf(
                         {"emend::Error", "emend::ErrorKind", "emend::Model", "emend::EditRequest"}));
}

TEST(TypeDefinitions, APlantedPairIsFoundWithBothPlaces) {
  const std::vector<SourceFile> files = {
      {"src/io/a.h", "namespace emend {\n\nstruct Row {\n  int i;\n};\n}"},
      {"src/io/b.cpp", "namespace emend {\nclass Row final : public Base<int> {};\n}"}};
  EXPECT_THAT(find_types_defined_twice(files), ElementsAre("emend::Row: src/io/a.h:3, src/io/b.cpp:2"));
}

TEST(TypeDefinitions, EveryKindOfTypeCounts) {
  EXPECT_THAT(names_in("struct A {}; class B {}; union C {}; enum D { kOne }; enum class E : int { kOne };"
                       "using F = int; typedef int G; typedef void (*H)(int); template <class T> using I = T;"
                       "template <typename T> struct J {}; template <> struct J<int> {};"
                       "struct [[nodiscard]] alignas(8) K {}; typedef struct { int x; } L;"),
              ElementsAre("A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "J<int>", "K", "L"));
}

TEST(TypeDefinitions, NamesAreQualified) {
  EXPECT_THAT(names_in("namespace a::b { struct C { enum D {}; struct E; }; struct C::E {}; }\n"
                       "namespace a { inline namespace v1 { struct F {}; } extern \"C\" { struct G {}; } }"),
              ElementsAre("a::b::C", "a::b::C::D", "a::b::C::E", "a::v1::F", "a::G"));
}

TEST(TypeDefinitions, ForwardDeclarationsAreNoDefinitions) {
  EXPECT_THAT(
      names_in("struct A; class B; enum class C : int; template <class T> struct D; typedef struct E E;"
               "struct stat status; struct F* f(struct G g) { return nullptr; } class X* x = {};"
               "using a::b; using namespace c; namespace d = e;"),
      IsEmpty());
}

TEST(TypeDefinitions, NestedTypesOfTwoClassesAreTwoTypes) {
  const std::vector<SourceFile> files = {{"src/io/a.h", "struct A { struct Options { int i; }; };"},
                                         {"src/io/b.h", "struct B { struct Options { int i; }; };"}};
  EXPECT_THAT(find_types_defined_twice(files), IsEmpty());
}

TEST(TypeDefinitions, AnAnonymousNamespaceHidesTypesOfASourceOnly) {
  const std::string text = "namespace emend { namespace { struct Row {}; } struct Other {}; }";
  EXPECT_THAT(names_in(text, "src/io/x.cpp"), ElementsAre("emend::Other"));
  EXPECT_THAT(names_in(text, "src/io/x.h"), ElementsAre("emend::Row", "emend::Other"));
}

TEST(TypeDefinitions, TypesInsideFunctionsDoNotCount) {
  EXPECT_THAT(names_in("void f() { struct A {}; if (x) { enum B {}; } }\n"
                       "struct C { C() : a_{1}, b_(2) { struct D {}; } int a_ = {}, b_; };\n"
                       "const auto kMap = std::map<int, int>{{1, 2}};"),
              ElementsAre("C"));
}

TEST(TypeDefinitions, CommentsLiteralsAndDirectivesAreNotRead) {
  EXPECT_THAT(names_in("// struct A {};\n/* struct B {};\n */\n#define C \\\n  struct D {\n"
                       "const char* e = \"struct E { \\\" \"; char f = '{'; int g = 1'000;\n"
                       "auto h = R\"x(struct H { )\" )x\"; struct I {};"),
              ElementsAre("I"));
}

TEST(TypeDefinitions, LinesAreCountedThroughCommentsAndLiterals) {
  const auto types =
      find_types({"src/io/x.h", "/*\n*/ // \\\n#if 1 \\\n  2\nauto a = R\"(\n\n)\";\nstruct B {};"});
  ASSERT_THAT(types, testing::SizeIs(1));
  EXPECT_EQ(types[0].line, 8);
}

TEST(TypeDefinitions, BracesThatDoNotMatchAreSaid) {
  EXPECT_THROW(names_in("struct A {"), std::runtime_error);
  EXPECT_THROW(names_in("struct A {}; }"), std::runtime_error);
}

}  // namespace
}  // namespace emend::structure
