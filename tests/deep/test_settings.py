"""Settings of a fold: from the command line's JSON and back to the same, and no key too many or too few."""

import json

import pytest

from scripts.common.errors import StudyError
from scripts.deep.settings import Settings, read_settings


def test_json_comes_back_the_same(settings):
    """The fold's key and the store's record are made of it."""
    text = json.dumps(settings, sort_keys=True)
    read = read_settings(text)
    assert isinstance(read, Settings) and read.augmentation.crop_scale == (0.9, 1.1)
    assert json.dumps(read.plain(), sort_keys=True) == text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(sed=1), "--settings has an unknown key 'sed'"),
        (lambda s: s.pop("seed"), "--settings lacks the key 'seed'"),
        (lambda s: s["training"].update(epoch=3), "'training' of --settings has an unknown key 'epoch'"),
        (lambda s: s["training"].pop("compile"), "'training' of --settings lacks the key 'compile'"),
        (
            lambda s: s["architecture"].update(depth=1),
            "'architecture' of --settings has an unknown key 'depth'",
        ),
        (lambda s: s["augmentation"].pop("flip"), "'augmentation' of --settings lacks the key 'flip'"),
        (lambda s: s.update(training=3), "'training' of --settings must be a table"),
    ],
)
def test_a_key_too_many_or_too_few_is_refused(settings, change, said):
    change(settings)
    with pytest.raises(StudyError) as caught:
        read_settings(json.dumps(settings))
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


def test_what_is_no_json_is_refused():
    with pytest.raises(StudyError, match="is no JSON"):
        read_settings("{")
