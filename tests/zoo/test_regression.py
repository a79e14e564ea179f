"""The databases that PostgreSQL's own regression tests leave behind are restored as they were."""

from tests.harness.extent import FULL
from tests.zoo import regression
from tests.zoo.counts import RECORDED, fallen, objects


def test_database_of_regression_tests_is_restored_without_difference(zoo, dumped, tmp_path):
    database = dumped("regression").create()
    regression.load(zoo, database.name, tmp_path)
    database.restored()
    recorded = RECORDED["regression"][zoo.cluster.release]["objects"] if FULL else {"table": 1, "function": 1}
    assert fallen(objects(database), recorded) == {}
