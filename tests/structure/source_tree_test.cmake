# cmake -DDATA=tests/data -P source_tree_test.cmake: no test has left statistics beside the models of the source tree. An edit
# that names no folder for them keeps them there (default_statistics_folder), and the next test would find them. It runs behind
# all tests that require the fixture source_tree.
file(GLOB_RECURSE found LIST_DIRECTORIES false ${DATA}/*/stats/*)
if(found)
  list(JOIN found "\n  " lines)
  message(FATAL_ERROR "a test kept statistics in the source tree: it has to name a scratch folder (statistics: in its edit file, or "
                      "--statistics). Delete these files, and run each test of edits alone to find it:\n  ${lines}")
endif()
