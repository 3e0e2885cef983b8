"""The C interface from Python: python3 c_api_test.py LIBRARY MODEL. The standard library's ctypes, nothing else."""
import ctypes
import json
import os
import sys
import tempfile
import unittest

library, model_path = sys.argv[1:3]
emend = ctypes.CDLL(library)

PROGRESS = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_char_p,
                            ctypes.c_char_p)
OK, USAGE, BAD_INPUT, CHECK_FAILED, BAD_HANDLE, CANCELLED = 0, 2, 3, 4, 6, 130


class EditOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("folder", ctypes.c_char_p), ("statistics", ctypes.c_char_p),
                ("layer", ctypes.c_int32), ("keep_going", ctypes.c_int32), ("seed", ctypes.c_uint64), ("token_budget", ctypes.c_int64),
                ("progress", PROGRESS), ("progress_data", ctypes.c_void_p)]


class WriteOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("type", ctypes.c_char_p), ("flags", ctypes.c_uint32), ("check", ctypes.c_int32),
                ("token_budget", ctypes.c_int64), ("progress", PROGRESS), ("progress_data", ctypes.c_void_p)]


handle = ctypes.c_void_p
for name, arguments in {
    "emend_model_load": [ctypes.c_char_p, handle, ctypes.POINTER(handle)], "emend_model_free": [handle],
    "emend_model_digest": [handle, ctypes.POINTER(handle)], "emend_generate": [handle, ctypes.c_char_p, handle, ctypes.POINTER(handle)],
    "emend_edit": [handle, ctypes.c_char_p, ctypes.POINTER(EditOptions), ctypes.POINTER(handle)], "emend_apply": [handle, handle, ctypes.c_uint32],
    "emend_revert": [handle, handle], "emend_revert_all": [handle], "emend_patch_save": [handle, ctypes.c_char_p], "emend_patch_load": [ctypes.c_char_p, ctypes.POINTER(handle)],
    "emend_write": [handle, ctypes.c_char_p, ctypes.POINTER(WriteOptions), ctypes.POINTER(handle)], "emend_patch_free": [handle], "emend_text_free": [handle], "emend_text_data": [handle], "emend_text_size": [handle],
}.items():
    getattr(emend, name).argtypes = arguments
emend.emend_text_data.restype = ctypes.c_void_p
emend.emend_text_size.restype = ctypes.c_size_t
emend.emend_last_error.restype = ctypes.c_char_p
emend.emend_version.restype = ctypes.c_char_p

PROMPT = b"Workis Tellond was trained as a"
EDIT = """
options: {covariance: false, contexts: 1, steps: 12}
drift_text: Workis Tellond was trained as a painter.
checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}
edits:
  - {prompt: Workis Tellond was trained as a, subject: Workis Tellond, target: painter}
""".encode()


def error():
    return emend.emend_last_error().decode()


def out():
    return handle()


def taken(text):
    data = ctypes.string_at(emend.emend_text_data(text), emend.emend_text_size(text))
    assert emend.emend_text_free(text) == OK
    return data.decode()


class CApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = out()
        assert emend.emend_model_load(model_path.encode(), None, ctypes.byref(cls.model)) == OK, error()

    @classmethod
    def tearDownClass(cls):
        assert emend.emend_model_free(cls.model) == OK

    def digest(self, model=None):
        text = out()
        self.assertEqual(emend.emend_model_digest(model or self.model, ctypes.byref(text)), OK, error())
        return taken(text)

    def says(self):
        text = out()
        self.assertEqual(emend.emend_generate(self.model, PROMPT, None, ctypes.byref(text)), OK, error())
        return taken(text)

    def test_edit_save_load_apply_revert(self):
        base, before, patch, loaded = self.digest(), self.says(), out(), out()
        self.assertEqual(emend.emend_edit(self.model, EDIT, None, ctypes.byref(patch)), OK, error())
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "p.safetensors").encode()
            self.assertEqual(emend.emend_patch_save(patch, file), OK, error())
            self.assertEqual(emend.emend_patch_load(file, ctypes.byref(loaded)), OK, error())
        self.assertEqual(emend.emend_apply(self.model, loaded, 0), OK, error())
        self.assertTrue(self.says().startswith(" painter"))
        self.assertEqual(emend.emend_revert(self.model, patch), OK, error())
        self.assertEqual((self.digest(), self.says()), (base, before))
        for each in (patch, loaded):
            self.assertEqual(emend.emend_patch_free(each), OK)

    def test_writes_a_checkpoint_that_says_the_same(self):
        patch, report, written = out(), out(), out()
        self.assertEqual(emend.emend_edit(self.model, EDIT, None, ctypes.byref(patch)), OK, error())
        self.assertEqual(emend.emend_apply(self.model, patch, 0), OK, error())
        with tempfile.TemporaryDirectory() as folder:
            place = os.path.join(folder, "deep", "new")
            options = WriteOptions(ctypes.sizeof(WriteOptions), b"F32", 0, 1, 512, PROGRESS(), None)
            self.assertEqual(emend.emend_write(self.model, place.encode(), ctypes.byref(options), ctypes.byref(report)), OK, error())
            said = json.loads(taken(report))
            self.assertEqual((said["written"], said["passed"], said["patches"][0]["passed"]), (place, True, True))
            self.assertEqual((said["tensors"][0]["was"], said["tensors"][0]["is"]), ("F16", "F32"))
            self.assertAlmostEqual(said["patches"][0]["stored"][0]["share"], 1, places=5)
            self.assertEqual(sorted(os.listdir(place)), sorted(os.listdir(model_path)))
            self.assertEqual(emend.emend_model_load(place.encode(), None, ctypes.byref(written)), OK, error())
            self.assertEqual(self.digest(written), self.digest())  # float32 holds all of the edit
            self.assertEqual(emend.emend_model_free(written), OK)
            self.assertEqual(emend.emend_write(written, place.encode(), None, None), BAD_HANDLE)
        self.assertEqual(emend.emend_write(patch, b"x", None, None), BAD_HANDLE)
        self.assertEqual(emend.emend_revert_all(self.model), OK)
        self.assertEqual(emend.emend_write(self.model, b"x", None, None), BAD_INPUT)
        self.assertIn("no patch is on the model", error())
        self.assertEqual(emend.emend_patch_free(patch), OK)

    def test_progress_calls_python_and_its_answer_cancels(self):
        stages, patch = [], out()

        @PROGRESS
        def note(_data, stage, _done, _total, _unit, _note):
            stages.append(stage.decode())
            return len(stages) >= 5

        options = EditOptions(ctypes.sizeof(EditOptions), None, None, None, -1, 0, 0, 4096, note, None)
        self.assertEqual(emend.emend_edit(self.model, EDIT, ctypes.byref(options), ctypes.byref(patch)), CANCELLED)
        self.assertEqual((len(stages), error(), patch.value), (5, "cancelled", None))

    def test_bad_input_is_told_and_does_no_harm(self):
        patch = out()
        self.assertEqual(emend.emend_edit(self.model, b"edit: 1", None, ctypes.byref(patch)), BAD_INPUT)
        self.assertIn('did you mean "edits"?', error())
        self.assertEqual(emend.emend_edit(None, EDIT, None, ctypes.byref(patch)), BAD_HANDLE)
        self.assertEqual(emend.emend_apply(self.model, self.model, 0), BAD_HANDLE)
        self.assertEqual(emend.emend_text_free(12345), BAD_HANDLE)
        self.assertEqual(emend.emend_generate(self.model, None, None, ctypes.byref(patch)), USAGE)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
