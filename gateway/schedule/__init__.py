"""When something is due: cron expressions and their times, without a clock."""
