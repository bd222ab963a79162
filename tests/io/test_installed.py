from ponytaco.io.installed import packaged_file


def test_files_of_packages_are_found_and_nothing_is_imported(tmp_path, monkeypatch):
    package = tmp_path / "a_package_of_data"
    (package / "inside").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "inside" / "weights.bin").write_bytes(b"1")
    monkeypatch.syspath_prepend(str(tmp_path))
    name = package.name
    assert packaged_file(name, "inside/weights.bin") == package / "inside" / "weights.bin"
    assert packaged_file(name, "inside") == package / "inside"
    assert packaged_file(name, "missing") is None
    assert packaged_file("no_such_package", "inside") is None
