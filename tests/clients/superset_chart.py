"""Runs in Superset's environment: a dataset of a view, and the chart of its rows, as JSON."""

import json
import sys

from superset.app import create_app

with create_app().app_context():
    from superset import db
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.core import Database

    database = Database(database_name="analytics", sqlalchemy_uri=sys.argv[1])
    dataset = SqlaTable(table_name="daily_messages", schema="metrics", database=database)
    db.session.add_all([database, dataset])
    db.session.flush()
    dataset.fetch_metadata()
    with database.get_sqla_engine() as engine:
        # Each query opens a connection, so it sees the newest generation.
        assert type(engine.pool).__name__ == "NullPool"
    assert [one.column_name for one in dataset.columns if one.is_dttm][:1] == ["day"]
    total = {"expressionType": "SQL", "sqlExpression": "sum(message_count)", "label": "total"}
    chart = dataset.query(
        {
            "granularity": "day",
            "extras": {"time_grain_sqla": "P1D"},
            "is_timeseries": True,
            "columns": [],
            "groupby": [],
            "metrics": [total],
            "filter": [],
            "orderby": [],
            "from_dttm": None,
            "to_dttm": None,
            "row_limit": 10_000,
        }
    )
    assert chart.error_message is None, chart.error_message
    rows = sorted(chart.df.values.tolist())
    print(json.dumps([[str(day)[:10], int(count)] for day, count in rows]))
